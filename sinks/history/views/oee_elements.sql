-- Elements of ISO 22400 by plant and work centre over all that is asked for; apt + aust + adet + adot = pbt.
-- parameter plant: Only this plant.
-- parameter work_center: Only this work centre.
-- parameter posting_from (date): First posting date: the local date on which a shift starts.
-- parameter posting_to (date): Last posting date.
-- column plant: Plant.
-- column work_center: Work centre.
-- column apt [SEC]: Actual production time.
-- column aust [SEC]: Actual unit setup time.
-- column adet [SEC]: Actual unit delay time.
-- column adot [SEC]: Actual unit down time.
-- column pbt [SEC]: Planned busy time: all but planned down time and time off.
-- column planned_down [SEC]: Planned down time.
-- column off [SEC]: Time outside planned busy time.
-- column availability: apt / pbt.
-- column effectiveness: Planned run time of the produced pieces / apt; null where a planned run time is missing.
-- column good [unit]: Good quantity (GQ).
-- column produced [unit]: Produced quantity (PQ): good, scrap and rework.
-- column quality_ratio: good / produced.
-- column oee: availability * effectiveness * quality_ratio.
SELECT plant, work_center, sum(apt) AS apt, sum(aust) AS aust, sum(adet) AS adet, sum(adot) AS adot, sum(pbt) AS pbt,
       sum(planned_down) AS planned_down, sum(off) AS off,
       round(sum(apt) / nullif(sum(pbt), 0), 4) AS availability,
       round(CASE WHEN count(*) FILTER (unplanned > 0) = 0 THEN sum(planned) / nullif(sum(apt), 0) END, 4) AS effectiveness,
       sum(good) AS good, sum(produced) AS produced,
       round(sum(good) / nullif(sum(produced), 0), 4) AS quality_ratio,
       round(CASE WHEN count(*) FILTER (unplanned > 0) = 0
             THEN sum(planned) / nullif(sum(pbt), 0) * sum(good) / nullif(sum(produced), 0) END, 4) AS oee
FROM oee_parts
WHERE (getvariable('posting_from') IS NULL OR posting_date >= CAST(getvariable('posting_from') AS DATE))
  AND (getvariable('posting_to') IS NULL OR posting_date <= CAST(getvariable('posting_to') AS DATE))
GROUP BY ALL
ORDER BY plant, work_center
