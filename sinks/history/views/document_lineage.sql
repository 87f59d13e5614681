-- From the events of one document to what the ERP booked: the events that its origins name, the document, its postings, and
-- each change of their status. Needs a ledger.
-- parameter document: Key of the document.
-- parameter erp_document: Number that the ERP gave to a posting of it, instead of the key.
-- column stage: 1 event, 2 document, 3 posting, 4 change.
-- column at [us]: When, UTC; of a document its last change.
-- column what: Contract of the event or document, action of the posting, new status.
-- column reference: Event id, document key, external reference.
-- column place: Topic, partition and offset of an event; ERP system and document of a posting.
-- column status: State of the document or posting; who made a change.
-- column good [unit]: Good pieces of the event, yield of the document or posting.
-- column scrap [unit]: Scrapped pieces of the event.
-- column unit: Unit of the quantities, UN/ECE Rec 20.
-- column why: Reason or explanation.
WITH asked AS (
    SELECT d.*, attributes ->> '$.unit' AS unit, coalesce(attributes ->> '$.work_center', '') AS work_center,
           coalesce(CAST(attributes ->> '$.first_event_time' AS TIMESTAMPTZ), TIMESTAMPTZ '1970-01-01') AS first_event_time,
           coalesce(CAST(attributes ->> '$.last_event_time' AS TIMESTAMPTZ), TIMESTAMPTZ '9999-12-31') AS last_event_time
    FROM ledger_document d
    WHERE d.key = getvariable('document')
       OR d.key IN (SELECT document_key FROM ledger_posting WHERE erp_document = getvariable('erp_document'))
), origins AS (
    SELECT key, plant, order_id, operation, work_center, first_event_time, last_event_time,
           unnest(from_json(attributes -> '$.origins',
               '[{"topic": "VARCHAR", "partition": "BIGINT", "first_offset": "BIGINT", "last_offset": "BIGINT"}]')) AS origin
    FROM asked
    WHERE json_type(attributes -> '$.origins') = 'ARRAY'
), events AS (
    SELECT 'MachineCycle' AS contract, 'machine-cycle' AS topic, c.plant, c.work_center, c.partition, c."offset",
           c.event_time, c.event_id, coalesce(nullif(c.order_id, ''), j.order_id) AS order_id,
           CASE WHEN nullif(c.order_id, '') IS NULL OR c.order_id = j.order_id
                THEN coalesce(nullif(c.operation, ''), j.operation) ELSE c.operation END AS operation,
           c.quantity_good AS good, c.quantity_scrap AS scrap, c.unit
    FROM machine_cycle c
    ASOF LEFT JOIN machine_jobs j ON c.plant = j.plant AND c.work_center = j.work_center AND c.event_time > j.begins
    UNION ALL
    SELECT 'OperationReport', 'operation-report', plant, work_center, partition, "offset", event_time, event_id,
           order_id, operation, quantity_yield, quantity_scrap, unit
    FROM operation_report
), found AS (
    SELECT DISTINCT e.*
    FROM origins o
    JOIN events e
      ON e.plant = o.plant AND e.order_id = o.order_id AND coalesce(e.operation, '') = o.operation
     AND e.topic = o.origin.topic AND e.partition = o.origin.partition
     AND e."offset" BETWEEN o.origin.first_offset AND o.origin.last_offset
     AND e.event_time BETWEEN o.first_event_time AND o.last_event_time
)
SELECT stage, "at", what, reference, place, status, good, scrap, unit, why FROM (
    SELECT '1 event' AS stage, event_time AS "at", contract AS what, event_id AS reference,
           topic || '/' || partition || '/' || "offset" AS place, NULL AS status, good, scrap, unit, NULL AS why
    FROM found
    UNION ALL
    SELECT '2 document', updated_at, kind, key, 'revision ' || revision, state, CAST(quantities ->> '$.yield' AS DECIMAL(18, 6)),
           NULL, unit, reason
    FROM asked
    UNION ALL
    SELECT '3 posting', p.created_at, p.action, p.external_reference, p.system || coalesce(' ' || p.erp_document, ''), p.status,
           CAST(p.quantities ->> '$.yield' AS DECIMAL(18, 6)), NULL, p.attributes ->> '$.unit', p.reason
    FROM ledger_posting p JOIN asked d ON d.key = p.document_key
    UNION ALL
    SELECT '4 change', a."at", a.to_status, a.external_reference, coalesce(a.from_status, ''), a.who, NULL, NULL, NULL, a.why
    FROM ledger_audit a
    JOIN ledger_posting p USING (external_reference)
    JOIN asked d ON d.key = p.document_key
)
ORDER BY stage, "at", reference, what
