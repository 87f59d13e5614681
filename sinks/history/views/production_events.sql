-- Pieces as they were counted, one row per event. Machine and operator are two counts of the same pieces: of each operation
-- only the one that its order confirms (count_source of work_order) is here; where the order is not known, the machine's if there is one.
-- Readings of counters (CUMULATIVE) have no pieces here: what they mean is the flow's policy.
-- parameter plant: Only this plant.
-- parameter from (date): First UTC date.
-- parameter to (date): Last UTC date.
-- column plant: Plant.
-- column date [DAY]: UTC date of the event.
-- column event_time [us]: When it happened, UTC.
-- column event_id: Identity of the event.
-- column work_center: Work centre.
-- column order_id: Order that the event names, else that of the running job; null where neither says.
-- column operation: Operation of that order.
-- column counted_by: MACHINE or OPERATOR.
-- column counting: DELTA, or CUMULATIVE for a reading.
-- column unit: Unit of the pieces, UN/ECE Rec 20.
-- column good [unit]: Good pieces.
-- column scrap [unit]: Scrapped pieces.
-- column rework [unit]: Pieces to be reworked.
-- column scrap_reason: Why they were scrapped; null where nobody says.
WITH cycles AS (
    SELECT c.plant, c.date, c.event_time, c.event_id, c.work_center,
           coalesce(nullif(c.order_id, ''), j.order_id) AS order_id,
           CASE WHEN nullif(c.order_id, '') IS NULL OR c.order_id = j.order_id
                THEN coalesce(nullif(c.operation, ''), j.operation) ELSE c.operation END AS operation,
           'MACHINE' AS counted_by, c.counting, c.unit, c.quantity_good, c.quantity_scrap, c.quantity_rework, c.scrap_reason
    FROM machine_cycle c
    ASOF LEFT JOIN machine_jobs j
      ON c.plant = j.plant AND c.work_center = j.work_center AND c.event_time > j.begins
), every AS (
    SELECT * FROM cycles
    UNION ALL
    SELECT plant, date, event_time, event_id, work_center, order_id, operation, 'OPERATOR', 'DELTA', unit,
           quantity_yield, quantity_scrap, quantity_rework, scrap_reason
    FROM operation_report
), asked AS (
    SELECT * FROM every
    WHERE (getvariable('plant') IS NULL OR plant = getvariable('plant'))
      AND (getvariable('from') IS NULL OR date >= CAST(getvariable('from') AS DATE))
      AND (getvariable('to') IS NULL OR date <= CAST(getvariable('to') AS DATE))
), profiles AS (
    SELECT plant, order_id, part.operation AS operation, part.count_source AS count_source
    FROM (
        SELECT plant, order_id, unnest(operations) AS part
        FROM work_order
        QUALIFY row_number() OVER (PARTITION BY plant, order_id ORDER BY version DESC, event_time DESC) = 1
    )
), counted AS (
    SELECT plant, order_id, operation, bool_or(counted_by = 'MACHINE') AS by_machine
    FROM every
    WHERE order_id IS NOT NULL
    GROUP BY ALL
)
SELECT a.plant, a.date, a.event_time, a.event_id, a.work_center, a.order_id, a.operation, a.counted_by, a.counting, a.unit,
       CASE WHEN a.counting = 'DELTA' THEN a.quantity_good END AS good,
       CASE WHEN a.counting = 'DELTA' THEN a.quantity_scrap END AS scrap,
       CASE WHEN a.counting = 'DELTA' THEN a.quantity_rework END AS rework,
       a.scrap_reason
FROM asked a
LEFT JOIN profiles p USING (plant, order_id, operation)
LEFT JOIN counted k USING (plant, order_id, operation)
WHERE a.counted_by = coalesce(p.count_source, CASE WHEN k.by_machine IS NOT false THEN 'MACHINE' ELSE 'OPERATOR' END)
