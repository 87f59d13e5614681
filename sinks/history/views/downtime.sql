-- Stops by reason: how often and how long, longest first.
-- parameter plant: Only this plant.
-- parameter work_center: Only this work centre.
-- parameter from (date): First UTC date on which stops begin.
-- parameter to (date): Last UTC date on which stops begin.
-- column plant: Plant.
-- column work_center: Work centre.
-- column state: DOWN or DELAY.
-- column reason: Reason; empty where nobody says.
-- column stops [stops]: Number of stops.
-- column seconds [SEC]: Their length together.
SELECT plant, work_center, state, coalesce(reason, '') AS reason, count(*) AS stops, sum(seconds) AS seconds
FROM state_intervals
WHERE state IN ('DOWN', 'DELAY')
  AND (getvariable('from') IS NULL OR CAST(begins AT TIME ZONE 'UTC' AS DATE) >= CAST(getvariable('from') AS DATE))
  AND (getvariable('to') IS NULL OR CAST(begins AT TIME ZONE 'UTC' AS DATE) <= CAST(getvariable('to') AS DATE))
GROUP BY ALL
ORDER BY plant, seconds DESC, work_center, state, reason
