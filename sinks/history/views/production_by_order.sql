-- Pieces by plant, order, operation and unit. Readings of counters are counted, not added up.
-- parameter plant: Only this plant.
-- parameter order: Only this order.
-- parameter from (date): First UTC date.
-- parameter to (date): Last UTC date.
-- column plant: Plant.
-- column order_id: Order; null for pieces that no order is known of.
-- column operation: Operation.
-- column counted_by: MACHINE or OPERATOR, whichever the order confirms.
-- column unit: Unit of the pieces, UN/ECE Rec 20.
-- column good [unit]: Good pieces.
-- column scrap [unit]: Scrapped pieces.
-- column rework [unit]: Pieces to be reworked.
-- column readings [events]: Readings of counters, which add nothing here.
-- column first_event_time [us]: First event, UTC.
-- column last_event_time [us]: Last event, UTC.
SELECT plant, order_id, operation, counted_by, unit,
       coalesce(sum(good), 0) AS good,
       coalesce(sum(scrap), 0) AS scrap,
       coalesce(sum(rework), 0) AS rework,
       count(*) FILTER (counting <> 'DELTA') AS readings,
       min(event_time) AS first_event_time,
       max(event_time) AS last_event_time
FROM production_events
WHERE getvariable('order') IS NULL OR order_id = getvariable('order')
GROUP BY ALL
ORDER BY plant, order_id, operation, counted_by, unit
