-- Pieces that machines counted piece by piece, by plant, UTC day, work centre and unit.
SELECT plant, date, work_center, unit,
       sum(quantity_good) AS good,
       sum(quantity_scrap) AS scrap,
       sum(quantity_rework) AS rework
FROM machine_cycle
WHERE counting = 'DELTA'
GROUP BY ALL
ORDER BY plant, date, work_center, unit
