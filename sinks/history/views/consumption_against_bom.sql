-- What orders used of each component against what their yield should have used by the bill of material.
-- Bills are the table bill_of_material; what no bill names, and what a bill names and nobody reported, is there too.
-- parameter plant: Only this plant.
-- parameter order: Only this order.
-- column plant: Plant.
-- column order_id: Order.
-- column operation: Operation that uses the component.
-- column component: Material that is used.
-- column unit: Unit of the quantities, UN/ECE Rec 20.
-- column yield: Good pieces of the operation, in the unit of its order.
-- column expected [unit]: Yield times numerator / denominator of the bill; null without a bill.
-- column issued [unit]: Issued less returned.
-- column scrapped [unit]: Scrapped apart from that.
-- column used [unit]: issued + scrapped.
-- column difference [unit]: used less expected.
-- column percent [P1]: difference of expected, percent.
WITH used AS (
    SELECT plant, order_id, operation, material AS component, unit,
           sum(CASE kind WHEN 'ISSUE' THEN quantity WHEN 'RETURN' THEN -quantity ELSE 0 END) AS issued,
           sum(CASE kind WHEN 'SCRAP' THEN quantity ELSE 0 END) AS scrapped
    FROM material_consumption
    WHERE kind <> 'BY_PRODUCT' AND order_id <> ''
    GROUP BY ALL
), made AS (
    SELECT plant, order_id, operation, sum(good) AS good
    FROM production_by_order
    GROUP BY ALL
), bills AS (
    SELECT plant, order_id, operation, component, unit, sum(numerator) AS numerator, max(denominator) AS denominator
    FROM bill_of_material
    GROUP BY ALL
)
SELECT plant, order_id, operation, component, unit, coalesce(m.good, 0) AS yield,
       CAST(round(coalesce(m.good, 0) * b.numerator / b.denominator, 6) AS DECIMAL(18, 6)) AS expected,
       coalesce(u.issued, 0) AS issued, coalesce(u.scrapped, 0) AS scrapped,
       coalesce(u.issued + u.scrapped, 0) AS used, used - expected AS difference,
       round(100 * (used - expected) / nullif(expected, 0), 1) AS percent
FROM bills b
FULL JOIN used u USING (plant, order_id, operation, component, unit)
LEFT JOIN made m USING (plant, order_id, operation)
WHERE (getvariable('plant') IS NULL OR plant = getvariable('plant'))
  AND (getvariable('order') IS NULL OR order_id = getvariable('order'))
ORDER BY plant, order_id, operation, component, unit
