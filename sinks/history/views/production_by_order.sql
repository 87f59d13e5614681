-- Pieces by plant, order, operation and unit: what machines counted piece by piece, and what operators reported.
-- Readings of counters (CUMULATIVE) are counted, not added up: what they mean is the flow's policy.
WITH events AS (
    SELECT plant, order_id, operation, unit, event_time, counting = 'DELTA' AS adds,
           quantity_good AS good, quantity_scrap AS scrap, quantity_rework AS rework
    FROM machine_cycle
    UNION ALL
    SELECT plant, order_id, operation, unit, event_time, true, quantity_yield, quantity_scrap, quantity_rework
    FROM operation_report
)
SELECT plant, order_id, operation, unit,
       coalesce(sum(good) FILTER (adds), 0) AS good,
       coalesce(sum(scrap) FILTER (adds), 0) AS scrap,
       coalesce(sum(rework) FILTER (adds), 0) AS rework,
       count(*) FILTER (NOT adds) AS readings,
       min(event_time) AS first_event_time,
       max(event_time) AS last_event_time
FROM events
GROUP BY ALL
ORDER BY plant, order_id, operation, unit
