-- OEE after ISO 22400 by shift and work centre. Effectiveness needs the table planned_run_time, which no event carries.
-- parameter plant: Only this plant.
-- parameter work_center: Only this work centre.
-- parameter posting_from (date): First posting date: the local date on which a shift starts.
-- parameter posting_to (date): Last posting date.
-- column plant: Plant.
-- column posting_date [DAY]: Local date on which the shift starts.
-- column shift: Shift; empty outside all shifts.
-- column shift_start [us]: Start of the shift, UTC; of the local day outside all shifts.
-- column work_center: Work centre.
-- column apt [SEC]: Actual production time.
-- column pbt [SEC]: Planned busy time.
-- column availability: apt / pbt.
-- column effectiveness: Planned run time of the produced pieces / apt; null where a planned run time is missing.
-- column quality_ratio: Good / produced quantity.
-- column oee: availability * effectiveness * quality_ratio.
SELECT plant, posting_date, shift, shift_start, work_center, apt, pbt,
       round(apt / nullif(pbt, 0), 4) AS availability,
       round(CASE WHEN unplanned = 0 THEN planned / nullif(apt, 0) END, 4) AS effectiveness,
       round(good / nullif(produced, 0), 4) AS quality_ratio,
       round(CASE WHEN unplanned = 0 THEN planned / nullif(pbt, 0) * good / nullif(produced, 0) END, 4) AS oee
FROM oee_parts
WHERE (getvariable('posting_from') IS NULL OR posting_date >= CAST(getvariable('posting_from') AS DATE))
  AND (getvariable('posting_to') IS NULL OR posting_date <= CAST(getvariable('posting_to') AS DATE))
ORDER BY plant, shift_start, shift, work_center
