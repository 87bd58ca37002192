SELECT orders_placed, count(*) AS customers FROM (
    SELECT c_custkey, count(o_orderkey) AS orders_placed
    FROM t.customer LEFT JOIN t.orders
    ON c_custkey = o_custkey AND o_comment NOT LIKE '%special%requests%'
    GROUP BY c_custkey)
GROUP BY orders_placed ORDER BY customers DESC, orders_placed DESC
