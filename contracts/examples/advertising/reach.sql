-- How many of the brand's customers did each channel reach, and what did they spend?
SELECT c.channel,
       k.category,
       count(DISTINCT r.email) AS customers,
       sum(k.spent) AS total_spent
FROM publisher.reach AS r
JOIN publisher.campaigns AS c ON r.campaign_id = c.campaign_id
JOIN brand.customers AS k ON r.email = k.email
GROUP BY c.channel, k.category
