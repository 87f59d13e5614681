// node produce.js BOOTSTRAP REGISTRY TOPIC OUTBOX
// Sends the rows of an outbox as machine cycles. A row keeps its number for ever, so sending the outbox again, after a
// crash or an outage, repeats numbers that the flow has seen: each cycle counts once.
import { readFileSync } from 'node:fs';
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { Kafka, Partitioners, logLevel } from 'kafkajs';
import { Decimal, Instant } from './logical_types.js';

const [bootstrap, registryUrl, topic, outbox] = process.argv.slice(2);
const MOST_AT_ONCE = 500;

function rows(file) {
  const [header, ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const names = header.split(',');
  return lines.map((line) => Object.fromEntries(line.split(',').map((value, at) => [names[at], value])));
}

function cycle(row) {
  return {
    event_id: `${row.source}-${row.number}`,
    event_time: row.event_time,
    plant: row.plant,
    source: row.source,
    sequence: Number(row.number),
    correlation_id: null,
    work_center: row.work_center,
    order_id: row.order_id,
    operation: row.operation,
    counting: 'DELTA',
    counter: null,
    reading_event: null,
    quantity_good: row.good,
    quantity_scrap: row.scrap,
    quantity_rework: '0',
    scrap_reason: null,
    unit: 'C62',
  };
}

// Id and schema come from the registry together; registering is the contract owner's business.
const logicalTypes = { decimal: Decimal, 'timestamp-micros': Instant };
const registry = new SchemaRegistry({ host: registryUrl }, { [SchemaType.AVRO]: { logicalTypes } });
const id = await registry.getLatestSchemaId(`${topic}-value`);

const kafka = new Kafka({ clientId: 'cycles-node', brokers: bootstrap.split(','), logLevel: logLevel.ERROR });
const producer = kafka.producer({
  idempotent: true,
  maxInFlightRequests: 1,
  createPartitioner: Partitioners.DefaultPartitioner,
  retry: { retries: Number.MAX_SAFE_INTEGER },
});
await producer.connect();
const cycles = rows(outbox).map(cycle);
for (let first = 0; first < cycles.length; first += MOST_AT_ONCE) {
  const some = cycles.slice(first, first + MOST_AT_ONCE);
  const values = await Promise.all(some.map((each) => registry.encode(id, each)));
  await producer.send({ topic, acks: -1, messages: some.map((each, at) => ({ key: each.source, value: values[at] })) });
}
await producer.disconnect();
console.log(`${cycles.length} cycles are in ${topic}`);
