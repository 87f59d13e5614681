// The two logical types of the contracts, for avsc: decimals as text, instants as ISO 8601 text with microseconds.
import avro from 'avsc';

/** "12.5" at scale 6 is the number 12500000, in two's complement, most significant byte first. */
export class Decimal extends avro.types.LogicalType {
  constructor(schema, options) {
    super(schema, options);
    this.scale = schema.scale ?? 0;
    this.limit = 10n ** BigInt(schema.precision);
  }

  _toValue(text) {
    const parts = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
    const places = parts?.[3] ?? '';
    if (!parts || places.length > this.scale) throw new Error(`${text} is no decimal of at most ${this.scale} places`);
    const digits = BigInt(parts[2] + places.padEnd(this.scale, '0'));
    if (digits >= this.limit) throw new Error(`${text} has too many digits`);
    return bytesOf(parts[1] ? -digits : digits);
  }

  _fromValue(bytes) {
    const number = BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex') || '0'}`));
    const digits = (number < 0n ? -number : number).toString().padStart(this.scale + 1, '0');
    const whole = digits.slice(0, digits.length - this.scale);
    return `${number < 0n ? '-' : ''}${whole}.${digits.slice(digits.length - this.scale)}`;
  }
}

function bytesOf(number) {
  let size = 1;
  while (BigInt.asIntN(size * 8, number) !== number) size += 1;
  return Buffer.from(BigInt.asUintN(size * 8, number).toString(16).padStart(size * 2, '0'), 'hex');
}

/** "2026-03-02T05:00:01.000250Z" as microseconds since 1970; JavaScript's own Date knows milliseconds only. */
export class Instant extends avro.types.LogicalType {
  _toValue(text) {
    const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z$/.exec(text);
    const seconds = parts ? Date.parse(`${parts[1]}Z`) / 1000 : NaN;
    if (Number.isNaN(seconds)) throw new Error(`${text} is no instant in UTC`);
    return seconds * 1_000_000 + Number((parts[2] ?? '').padEnd(6, '0'));
  }

  _fromValue(micros) {
    const seconds = Math.floor(micros / 1_000_000);
    const fraction = String(micros - seconds * 1_000_000).padStart(6, '0');
    return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
  }
}
