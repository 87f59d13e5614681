package io.millrace.example;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;

/** Rows of the outbox as records of the contract MachineCycle. */
final class Cycles {
    private static final Conversions.DecimalConversion DECIMALS = new Conversions.DecimalConversion();
    private final Schema schema;

    Cycles(Schema schema) {
        this.schema = schema;
    }

    GenericRecord of(Map<String, String> row) {
        GenericRecord cycle = new GenericData.Record(schema);
        cycle.put("event_id", row.get("source") + "-" + row.get("number"));
        cycle.put("event_time", ChronoUnit.MICROS.between(Instant.EPOCH, Instant.parse(row.get("event_time"))));
        cycle.put("plant", row.get("plant"));
        cycle.put("source", row.get("source"));
        cycle.put("sequence", Long.parseLong(row.get("number")));
        cycle.put("work_center", row.get("work_center"));
        cycle.put("order_id", row.get("order_id"));
        cycle.put("operation", row.get("operation"));
        cycle.put("counting", new GenericData.EnumSymbol(schema.getField("counting").schema(), "DELTA"));
        cycle.put("quantity_good", decimal("quantity_good", row.get("good")));
        cycle.put("quantity_scrap", decimal("quantity_scrap", row.get("scrap")));
        cycle.put("quantity_rework", decimal("quantity_rework", "0"));
        cycle.put("unit", "C62");
        return cycle;
    }

    /** Never a double: a quantity is exact, and one with more places than the contract has is refused. */
    private ByteBuffer decimal(String field, String text) {
        Schema type = schema.getField(field).schema();
        return DECIMALS.toBytes(new BigDecimal(text), type, type.getLogicalType());
    }
}
