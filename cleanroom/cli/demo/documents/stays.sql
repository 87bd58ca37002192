-- What do the insurer's members cost in the hospital, by ward and payer?
SELECT e.ward,
       m.payer,
       count(DISTINCT e.patient_id) AS patients,
       count(*) AS stays,
       avg(e.days) AS average_days,
       sum(e.cost) AS total_cost
FROM hospital.encounters AS e
JOIN hospital.patients AS p ON e.patient_id = p.patient_id
JOIN insurer.members AS m ON p.person_key = m.person_key
WHERE e.month >= $since
GROUP BY e.ward, m.payer
