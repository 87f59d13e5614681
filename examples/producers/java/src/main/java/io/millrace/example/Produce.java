package io.millrace.example;

import io.apicurio.registry.rest.client.RegistryClient;
import io.apicurio.registry.rest.client.RegistryClientFactory;
import io.apicurio.registry.rest.v2.beans.ArtifactMetaData;
import io.apicurio.registry.serde.Legacy4ByteIdHandler;
import io.apicurio.registry.serde.SerdeConfig;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Sends the rows of an outbox as machine cycles: BOOTSTRAP REGISTRY TOPIC OUTBOX.
 *
 * <p>A row keeps its number for ever, so sending the outbox again, after a crash or an outage, repeats numbers that the
 * flow has seen: each cycle counts once.
 */
public final class Produce {
    private Produce() {}

    public static void main(String[] arguments) throws Exception {
        String registry = arguments[1];
        String topic = arguments[2];
        List<Map<String, String>> rows = rows(Path.of(arguments[3]));
        ArtifactMetaData latest;
        Schema schema;
        try (RegistryClient client = RegistryClientFactory.create(registry)) {
            latest = client.getArtifactMetaData(null, topic + "-value");
            schema = new Schema.Parser().parse(client.getContentById(latest.getContentId()));
        }
        Cycles cycles = new Cycles(schema);
        Map<String, Object> settings = settings(arguments[0], registry, latest.getVersion());
        try (Producer<String, GenericRecord> producer = new KafkaProducer<>(settings)) {
            List<Future<RecordMetadata>> answers = new ArrayList<>();
            for (Map<String, String> row : rows) {
                answers.add(producer.send(new ProducerRecord<>(topic, row.get("source"), cycles.of(row))));
            }
            awaitAll(answers);
        }
        System.out.println(rows.size() + " cycles are in " + topic);
    }

    /** The broker's answer to each: a row counts as sent when it is on all in-sync replicas, not before. */
    private static void awaitAll(List<Future<RecordMetadata>> answers) throws InterruptedException, ExecutionException {
        for (Future<RecordMetadata> answer : answers) {
            answer.get();
        }
    }

    private static Map<String, Object> settings(String bootstrap, String registry, String version) {
        Map<String, Object> settings = new HashMap<>();
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, StringSerializer.class);
        settings.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, AvroKafkaSerializer.class);
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        settings.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, Integer.MAX_VALUE);
        settings.put(SerdeConfig.REGISTRY_URL, registry);
        // Confluent's format: byte 0, four bytes of the id that the Confluent-compatible interface shows, the record.
        settings.put(SerdeConfig.ID_HANDLER, Legacy4ByteIdHandler.class);
        settings.put(SerdeConfig.USE_ID, "contentId");
        settings.put(SerdeConfig.ENABLE_HEADERS, false);
        // The version that the records are made of, also when a newer one comes; registering is the owner's business.
        settings.put(SerdeConfig.EXPLICIT_ARTIFACT_VERSION, version);
        settings.put(SerdeConfig.AUTO_REGISTER_ARTIFACT, false);
        settings.put(SerdeConfig.FIND_LATEST_ARTIFACT, true);
        return settings;
    }

    private static List<Map<String, String>> rows(Path outbox) throws IOException {
        List<String> lines = Files.readAllLines(outbox);
        String[] names = lines.get(0).split(",");
        List<Map<String, String>> rows = new ArrayList<>();
        for (String line : lines.subList(1, lines.size())) {
            String[] values = line.split(",");
            Map<String, String> row = new HashMap<>();
            for (int at = 0; at < names.length; at++) {
                row.put(names[at], values[at]);
            }
            rows.add(row);
        }
        return rows;
    }
}
