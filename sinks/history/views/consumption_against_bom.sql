-- What orders used of each component against what their yield should have used by the bill of material.
-- Bills are those of the orders (work_order);
-- what no bill names, and what a bill names and nobody reported, is there too. The yield is what events count, without readings
-- of counters, in the unit of the order where the material has a conversion.
-- parameter plant: Only this plant.
-- parameter order: Only this order.
-- column plant: Plant.
-- column order_id: Order.
-- column operation: Operation that uses the component.
-- column component: Material that is used.
-- column unit: Unit of the quantities, UN/ECE Rec 20.
-- column yield: Good pieces of the operation, in the unit of its order; null where no conversion into it is known.
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
), orders AS (
    SELECT plant, order_id, material, unit
    FROM work_order
    QUALIFY row_number() OVER (PARTITION BY plant, order_id ORDER BY version DESC, event_time DESC) = 1
), made AS (
    SELECT p.plant, p.order_id, p.operation,
           CASE WHEN bool_and(p.unit = o.unit OR counted.factor / ordered.factor IS NOT NULL)
                THEN sum(CASE WHEN p.unit = o.unit THEN p.good
                              ELSE CAST(round(p.good * counted.factor / ordered.factor, 6) AS DECIMAL(18, 6)) END) END AS good
    FROM production_by_order p
    JOIN orders o USING (plant, order_id)
    LEFT JOIN unit_factors counted ON counted.plant = p.plant AND counted.material = o.material AND counted.unit = p.unit
    LEFT JOIN unit_factors ordered ON ordered.plant = p.plant AND ordered.material = o.material AND ordered.unit = o.unit
    GROUP BY ALL
), bills AS (
    SELECT plant, order_id, operation, component, unit, sum(numerator) AS numerator, max(denominator) AS denominator
    FROM bill_of_material
    GROUP BY ALL
)
SELECT plant, order_id, operation, component, unit, CASE WHEN m.order_id IS NULL THEN 0 ELSE m.good END AS yield,
       CAST(round(yield * b.numerator / b.denominator, 6) AS DECIMAL(18, 6)) AS expected,
       coalesce(u.issued, 0) AS issued, coalesce(u.scrapped, 0) AS scrapped,
       coalesce(u.issued + u.scrapped, 0) AS used, used - expected AS difference,
       round(100 * (used - expected) / nullif(expected, 0), 1) AS percent
FROM bills b
FULL JOIN used u USING (plant, order_id, operation, component, unit)
LEFT JOIN made m USING (plant, order_id, operation)
WHERE (getvariable('plant') IS NULL OR plant = getvariable('plant'))
  AND (getvariable('order') IS NULL OR order_id = getvariable('order'))
ORDER BY plant, order_id, operation, component, unit
