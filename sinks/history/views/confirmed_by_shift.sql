-- What confirmations say by posting date and shift, and how much of it the ERP has booked. With the meaning of counters, late
-- corrections and units of orders. Needs a ledger.
-- parameter plant: Only this plant.
-- parameter order: Only this order.
-- parameter posting_from (date): First posting date: the local date on which a shift starts.
-- parameter posting_to (date): Last posting date.
-- column plant: Plant.
-- column posting_date [DAY]: Posting date.
-- column shift: Shift; empty outside all shifts.
-- column work_center: Work centre.
-- column order_id: Order.
-- column operation: Operation.
-- column unit: Unit of the order, UN/ECE Rec 20.
-- column yield [unit]: Good pieces.
-- column scrap [unit]: Scrapped pieces, all reasons.
-- column rework [unit]: Pieces to be reworked.
-- column booked_yield [unit]: Good pieces that the ERP has booked.
-- column documents [documents]: Documents added up.
WITH documents AS (
    SELECT plant, order_id, operation, CAST(attributes ->> '$.posting_date' AS DATE) AS posting_date,
           coalesce(attributes ->> '$.shift', '') AS shift, attributes ->> '$.work_center' AS work_center,
           attributes ->> '$.unit' AS unit,
           coalesce(CAST(quantities ->> '$.yield' AS DECIMAL(18, 6)), 0) AS yield,
           coalesce(CAST(quantities ->> '$.rework' AS DECIMAL(18, 6)), 0) AS rework,
           coalesce(list_sum([CAST(json_extract_string(quantities, '$."' || name || '"') AS DECIMAL(18, 6))
                              FOR name IN json_keys(quantities) IF starts_with(name, 'scrap:')]), 0) AS scrap,
           coalesce(CAST(booked ->> '$.yield' AS DECIMAL(18, 6)), 0) AS booked_yield
    FROM ledger_document
    WHERE kind = 'ProductionConfirmation' AND NOT cancelled
)
SELECT plant, posting_date, shift, work_center, order_id, operation, unit, sum(yield) AS yield, sum(scrap) AS scrap,
       sum(rework) AS rework, sum(booked_yield) AS booked_yield, count(*) AS documents
FROM documents
WHERE (getvariable('plant') IS NULL OR plant = getvariable('plant'))
  AND (getvariable('order') IS NULL OR order_id = getvariable('order'))
  AND (getvariable('posting_from') IS NULL OR posting_date >= CAST(getvariable('posting_from') AS DATE))
  AND (getvariable('posting_to') IS NULL OR posting_date <= CAST(getvariable('posting_to') AS DATE))
GROUP BY ALL
ORDER BY plant, posting_date, shift, work_center, order_id, operation, unit
