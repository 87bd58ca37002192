SELECT sum(l_extendedprice) / 7.0
FROM t.lineitem AS line JOIN t.part ON p_partkey = line.l_partkey
WHERE p_brand = 'Brand#23' AND p_container = 'MED BOX'
AND l_quantity < (SELECT 0.2 * avg(l_quantity) FROM t.lineitem WHERE l_partkey = p_partkey)
