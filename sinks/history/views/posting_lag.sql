-- How long it took from the last event of a total until the ERP had booked it, by UTC date of booking. Needs a ledger.
-- parameter plant: Only this plant.
-- parameter system: Only this ERP system.
-- column plant: Plant.
-- column system: ERP system.
-- column kind: Contract of the document.
-- column date [DAY]: UTC date of booking; null for postings that are not booked.
-- column postings [postings]: Postings.
-- column booked [postings]: Those that are booked.
-- column event_p50 [SEC]: Median from last event to booked.
-- column event_p95 [SEC]: 95th percentile of that.
-- column event_max [SEC]: Longest.
-- column posting_p50 [SEC]: Median from planned to booked.
-- column posting_p95 [SEC]: 95th percentile of that.
SELECT plant, system, kind, CAST(booked_at AT TIME ZONE 'UTC' AS DATE) AS date, count(*) AS postings, count(booked_at) AS booked,
       quantile_disc(event_to_booked, 0.5) AS event_p50, quantile_disc(event_to_booked, 0.95) AS event_p95,
       max(event_to_booked) AS event_max,
       quantile_disc(planned_to_booked, 0.5) AS posting_p50, quantile_disc(planned_to_booked, 0.95) AS posting_p95
FROM posting_times
GROUP BY ALL
ORDER BY plant, system, kind, date
