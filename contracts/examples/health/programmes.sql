-- Do members in the follow-up programme stay as long as others, ward by ward?
SELECT s.ward,
       m.programme,
       count(DISTINCT s.email) AS patients,
       count(*) AS stays,
       avg(s.days) AS average_days,
       sum(s.cost) AS total_cost
FROM hospital.stays AS s
JOIN insurer.members AS m ON s.email = m.email
WHERE s.year = $year
GROUP BY s.ward, m.programme
