WITH revenue AS MATERIALIZED (
    SELECT l_suppkey, sum(l_extendedprice * (1 - l_discount)) AS total FROM t.lineitem
    WHERE l_shipdate >= DATE '1996-01-01' AND l_shipdate < DATE '1996-04-01'
    GROUP BY l_suppkey)
SELECT s_suppkey, s_name, s_address, s_phone, total
FROM t.supplier JOIN revenue ON s_suppkey = l_suppkey
WHERE total = (SELECT max(total) FROM revenue) ORDER BY s_suppkey
