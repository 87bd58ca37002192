SELECT s_name, count(*) AS waiting
FROM t.supplier JOIN t.lineitem AS late ON s_suppkey = late.l_suppkey
JOIN t.orders ON o_orderkey = late.l_orderkey
JOIN t.nation ON s_nationkey = n_nationkey
WHERE o_orderstatus = 'F' AND late.l_receiptdate > late.l_commitdate AND n_name = 'SAUDI ARABIA'
AND EXISTS (SELECT 1 FROM t.lineitem AS other
            WHERE other.l_orderkey = late.l_orderkey AND other.l_suppkey <> late.l_suppkey)
AND NOT EXISTS (SELECT 1 FROM t.lineitem AS other
                WHERE other.l_orderkey = late.l_orderkey AND other.l_suppkey <> late.l_suppkey
                AND other.l_receiptdate > other.l_commitdate)
GROUP BY s_name ORDER BY waiting DESC, s_name LIMIT 100
