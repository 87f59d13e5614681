-- Elements of ISO 22400 by plant and work centre, seconds; availability is APT / PBT, quality ratio good / produced.
-- Effectiveness needs planned run times per unit, which no event carries, so there is no OEE index here.
WITH times AS (
    SELECT plant, work_center,
           coalesce(sum(seconds) FILTER (state = 'PRODUCTION'), 0) AS apt,
           coalesce(sum(seconds) FILTER (state = 'SETUP'), 0) AS aust,
           coalesce(sum(seconds) FILTER (state = 'DELAY'), 0) AS adet,
           coalesce(sum(seconds) FILTER (state = 'DOWN'), 0) AS adot,
           coalesce(sum(seconds) FILTER (state NOT IN ('OFF', 'PLANNED_DOWN')), 0) AS pbt
    FROM state_intervals
    GROUP BY ALL
), pieces AS (
    SELECT plant, work_center, sum(quantity_good) AS good,
           sum(quantity_good + quantity_scrap + quantity_rework) AS produced
    FROM machine_cycle
    WHERE counting = 'DELTA'
    GROUP BY ALL
)
SELECT plant, work_center, apt, aust, adet, adot, pbt, round(apt / nullif(pbt, 0), 4) AS availability,
       good, produced, round(good / nullif(produced, 0), 4) AS quality_ratio
FROM times FULL JOIN pieces USING (plant, work_center)
ORDER BY plant, work_center
