-- Scrap by reason within plant and unit, most first, with its share and the share of all down to it.
-- parameter plant: Only this plant.
-- parameter from (date): First UTC date.
-- parameter to (date): Last UTC date.
-- parameter work_center: Only this work centre.
-- column plant: Plant.
-- column unit: Unit of the pieces, UN/ECE Rec 20.
-- column reason: Scrap reason; empty where nobody says.
-- column scrap [unit]: Scrapped pieces.
-- column percent [P1]: Share of all scrap of the plant in this unit, percent.
-- column percent_upto [P1]: Share of this reason and all before it, percent.
WITH reasons AS (
    SELECT plant, unit, coalesce(scrap_reason, '') AS reason, sum(scrap) AS scrap
    FROM production_events
    WHERE getvariable('work_center') IS NULL OR work_center = getvariable('work_center')
    GROUP BY ALL
    HAVING sum(scrap) > 0
)
SELECT plant, unit, reason, scrap,
       round(100.0 * scrap / sum(scrap) OVER every, 1) AS percent,
       round(100.0 * sum(scrap) OVER upto / sum(scrap) OVER every, 1) AS percent_upto
FROM reasons
WINDOW every AS (PARTITION BY plant, unit),
       upto AS (PARTITION BY plant, unit ORDER BY scrap DESC, reason ROWS UNBOUNDED PRECEDING)
ORDER BY plant, unit, scrap DESC, reason
