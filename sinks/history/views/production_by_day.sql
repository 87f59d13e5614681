-- Pieces by plant, UTC day, work centre and unit.
-- parameter plant: Only this plant.
-- parameter from (date): First UTC date.
-- parameter to (date): Last UTC date.
-- column plant: Plant.
-- column date [DAY]: UTC date. The day of the plant's own calendar is in production_by_shift.
-- column work_center: Work centre.
-- column unit: Unit of the pieces, UN/ECE Rec 20.
-- column good [unit]: Good pieces.
-- column scrap [unit]: Scrapped pieces.
-- column rework [unit]: Pieces to be reworked.
SELECT plant, date, work_center, unit, sum(good) AS good, sum(scrap) AS scrap, sum(rework) AS rework
FROM production_events
WHERE counting = 'DELTA'
GROUP BY ALL
ORDER BY plant, date, work_center, unit
