SELECT o_orderpriority, count(*) FROM t.orders
WHERE o_orderdate >= DATE '1993-07-01' AND o_orderdate < DATE '1993-10-01'
AND EXISTS (SELECT 1 FROM t.lineitem
            WHERE l_orderkey = o_orderkey AND l_commitdate < l_receiptdate)
GROUP BY ALL ORDER BY ALL
