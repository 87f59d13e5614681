-- What moved stock, signed, one row per status that changes. Consumption, quality decisions and receipts are events; of the
-- documents (goods_movement) only receipts of production and transfers count, since the rest is made of those events.
-- A receipt or document that changed is the difference to its last version.
-- column plant: Plant.
-- column material: Material.
-- column storage_location: Storage location.
-- column time [us]: When, UTC.
-- column what: Kind of movement.
-- column reference: Event, receipt or document.
-- column status: on_hand, quality or blocked.
-- column unit: Unit of the quantity, UN/ECE Rec 20.
-- column change [unit]: What was added; negative for what was taken.
WITH consumed AS (
    SELECT plant, material, storage_location, event_time AS time, kind AS what, event_id AS reference, 'on_hand' AS status, unit,
           CASE WHEN kind IN ('ISSUE', 'SCRAP') THEN -quantity ELSE quantity END AS change
    FROM material_consumption
), decided AS (
    SELECT plant, material, storage_location, event_time, decision, event_id,
           unnest(CASE decision WHEN 'HOLD' THEN ['on_hand', 'quality'] WHEN 'RELEASE' THEN ['quality', 'on_hand']
                                ELSE ['quality', 'blocked'] END),
           unit, unnest([-quantity, quantity])
    FROM quality_event
), receipts AS (
    SELECT *, CASE WHEN status = 'RECEIVED' THEN quantity ELSE 0 END AS total,
           lag(total, 1, 0) OVER (PARTITION BY plant, receipt_id, receipt_item ORDER BY version, event_time) AS before
    FROM goods_receipt
    QUALIFY row_number() OVER (PARTITION BY plant, receipt_id, receipt_item, version ORDER BY event_time) = 1
), received AS (
    SELECT plant, material, storage_location, event_time, 'RECEIPT', receipt_id || '/' || receipt_item,
           CASE stock_type WHEN 'UNRESTRICTED' THEN 'on_hand' WHEN 'QUALITY' THEN 'quality' ELSE 'blocked' END, unit, total - before
    FROM receipts
), documents AS (
    SELECT *, CASE WHEN withdrawn THEN 0 ELSE quantity END AS total,
           lag(total, 1, 0) OVER (PARTITION BY document_key ORDER BY revision, reference_version) AS before
    FROM goods_movement
    WHERE (movement = 'RECEIPT' AND coalesce(purchase_order, '') = '') OR movement = 'TRANSFER'
    QUALIFY row_number() OVER (PARTITION BY document_key, revision, reference_version ORDER BY event_time) = 1
), moved AS (
    SELECT plant, material, storage_location, last_event_time, CAST(movement AS VARCHAR), document_key,
           CASE stock_type_from WHEN 'UNRESTRICTED' THEN 'on_hand' WHEN 'QUALITY' THEN 'quality' ELSE 'blocked' END, unit, before - total
    FROM documents
    WHERE stock_type_from IS NOT NULL
    UNION ALL
    SELECT coalesce(to_plant, plant), material, coalesce(to_storage_location, storage_location), last_event_time,
           CAST(movement AS VARCHAR), document_key,
           CASE stock_type_to WHEN 'UNRESTRICTED' THEN 'on_hand' WHEN 'QUALITY' THEN 'quality' ELSE 'blocked' END, unit, total - before
    FROM documents
    WHERE stock_type_to IS NOT NULL
)
SELECT * FROM consumed
UNION ALL SELECT * FROM decided
UNION ALL SELECT * FROM received WHERE #9 <> 0
UNION ALL SELECT * FROM moved WHERE #9 <> 0
