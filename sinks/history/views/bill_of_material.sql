-- Components of the newest version of each order.
-- column plant: Plant.
-- column order_id: Order.
-- column operation: Operation that uses the component.
-- column component: Material that is used.
-- column unit: Unit of the component, UN/ECE Rec 20.
-- column numerator [unit]: So much of the component ...
-- column denominator: ... for so much of the order's material, in the unit of the order.
SELECT plant, order_id, part.operation AS operation, part.material AS component, part.unit AS unit,
       part.numerator AS numerator, part.denominator AS denominator
FROM (
    SELECT plant, order_id, unnest(components) AS part
    FROM (
        SELECT plant, order_id, components
        FROM work_order
        QUALIFY row_number() OVER (PARTITION BY plant, order_id ORDER BY version DESC, event_time DESC) = 1
    )
)
