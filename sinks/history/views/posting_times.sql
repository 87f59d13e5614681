-- When a posting was caused, made, sent and booked. Needs a ledger.
-- parameter plant: Only this plant.
-- parameter order: Only this order.
-- parameter system: Only this ERP system.
-- column external_reference: Reference that the ERP knows the posting by.
-- column document_key: Document.
-- column kind: Contract of the document.
-- column system: ERP system.
-- column plant: Plant.
-- column order_id: Order.
-- column tier: Urgency.
-- column status: Status of the posting.
-- column erp_document: Number that the ERP gave.
-- column last_event_time [us]: Last event in the total that was posted, UTC.
-- column planned_at [us]: When the posting was planned, UTC.
-- column sent_at [us]: When it was last sent, UTC.
-- column booked_at [us]: When it was first known to be booked, UTC; null while it is not.
-- column event_to_booked [SEC]: booked_at less last_event_time.
-- column planned_to_booked [SEC]: booked_at less planned_at.
WITH booked AS (
    SELECT external_reference, min("at") AS booked_at
    FROM ledger_audit
    WHERE to_status = 'booked'
    GROUP BY ALL
)
SELECT p.external_reference, p.document_key, p.kind, p.system, p.plant, p.order_id, d.tier, p.status, p.erp_document,
       CAST(p.attributes ->> '$.last_event_time' AS TIMESTAMPTZ) AS last_event_time, p.created_at AS planned_at, p.sent_at,
       b.booked_at,
       CAST((epoch_us(b.booked_at) - epoch_us(CAST(p.attributes ->> '$.last_event_time' AS TIMESTAMPTZ))) * 0.000001 AS DECIMAL(18, 6)) AS event_to_booked,
       CAST((epoch_us(b.booked_at) - epoch_us(p.created_at)) * 0.000001 AS DECIMAL(18, 6)) AS planned_to_booked
FROM ledger_posting p
LEFT JOIN booked b USING (external_reference)
LEFT JOIN ledger_document d ON d.key = p.document_key
WHERE (getvariable('plant') IS NULL OR p.plant = getvariable('plant'))
  AND (getvariable('order') IS NULL OR p.order_id = getvariable('order'))
  AND (getvariable('system') IS NULL OR p.system = getvariable('system'))
ORDER BY p.created_at, p.external_reference
