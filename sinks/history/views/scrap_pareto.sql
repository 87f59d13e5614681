-- Scrap by reason within plant and unit, most first, with its share and the share of all down to it, in percent.
WITH events AS (
    SELECT plant, unit, scrap_reason, quantity_scrap FROM machine_cycle WHERE counting = 'DELTA'
    UNION ALL
    SELECT plant, unit, scrap_reason, quantity_scrap FROM operation_report
), reasons AS (
    SELECT plant, unit, coalesce(scrap_reason, '') AS reason, sum(quantity_scrap) AS scrap
    FROM events
    GROUP BY ALL
    HAVING sum(quantity_scrap) > 0
)
SELECT plant, unit, reason, scrap,
       round(100.0 * scrap / sum(scrap) OVER every, 1) AS percent,
       round(100.0 * sum(scrap) OVER upto / sum(scrap) OVER every, 1) AS percent_upto
FROM reasons
WINDOW every AS (PARTITION BY plant, unit),
       upto AS (PARTITION BY plant, unit ORDER BY scrap DESC, reason ROWS UNBOUNDED PRECEDING)
ORDER BY plant, unit, scrap DESC, reason
