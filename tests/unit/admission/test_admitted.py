# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608, ISC004 - queries under test
"""What analysts write is admitted, and the engine runs every statement that is made of it."""

from __future__ import annotations

import pytest

from tests.support.gate_data import health
from tests.support.gate_policies import corpus_catalog
from tests.support.gate_runs import run_gates

CATALOG = corpus_catalog(k=4, functions="product_across_owners")
E, P, M = "hospital.encounters", "hospital.patients", "insurer.members"
ADMITTED = [
    f"WITH a AS (SELECT patient_id, region FROM {P} WHERE smoker) SELECT region, count(*) FROM a "
    "GROUP BY region",
    f"SELECT * FROM (SELECT ward, count(*) AS n FROM {E} GROUP BY ALL) t(w, m) WHERE m > 5",
    f"SELECT year(admit_date) AS y, count(*) FROM {E} GROUP BY 1 ORDER BY 2 DESC NULLS FIRST",
    f"SELECT (birth_year // 10) * 10 AS d, round(100.0 * avg(smoker::INT), 1) FROM {P} GROUP BY d",
    f"SELECT left(zip, 3) || '-' || upper(sex) AS z, count(*) FROM {P} GROUP BY z",
    f"SELECT least(visits, 3) AS v, avg(days) FROM (SELECT patient_id, count(*) AS visits, "
    f"sum(los) AS days FROM {E} GROUP BY patient_id HAVING sum(los) > 1) GROUP BY v",
    f"SELECT p.region, avg(CASE WHEN m.person_key IS NULL THEN 0.0 ELSE 1.0 END) FROM {P} p "
    f"LEFT JOIN {M} m ON p.person_key = m.person_key GROUP BY p.region",
    f"SELECT count(*) FROM {M} m RIGHT JOIN {P} p ON p.person_key = m.person_key",
    f"SELECT count(*) FROM {P} FULL JOIN (SELECT DISTINCT patient_id FROM {E}) q "
    "USING (patient_id)",
    f"SELECT count(*) FROM {P} p SEMI JOIN insurer.claims c ON p.person_key = c.person_key "
    "AND c.amount > 1",
    f"SELECT count(*) FROM {P} ANTI JOIN {M} USING (person_key)",
    f"SELECT count(*) FROM {P} p WHERE NOT EXISTS (SELECT * FROM {E} e WHERE e.patient_id = "
    "p.patient_id AND e.ward = 'onco')",
    f"SELECT count(*) FROM {P} WHERE patient_id NOT IN (SELECT patient_id FROM {E} "
    "WHERE ward = 'onco')",
    f"SELECT avg((patient_id IN (SELECT patient_id FROM {E} WHERE ward = 'onco'))::INT) FROM {P}",
    f"SELECT count(*) FROM {E} WHERE dx IN (SELECT dx FROM ref.dx_codes)",
    f"SELECT left(d.chapter, 3) AS c, count(*) FROM {E} e LEFT JOIN ref.dx_codes d ON e.dx = d.dx "
    "GROUP BY c",
    f"SELECT count(*) FROM {E} WHERE los > (SELECT avg(los) FROM {E})",
    f"SELECT kind, count(*) FROM (SELECT patient_id, 'p' AS kind FROM {P} UNION ALL "
    f"SELECT patient_id, 'e' FROM {E}) GROUP BY kind",
    f"SELECT 'a' AS s, count(*) AS n FROM {P} UNION SELECT 'b', count(*) FROM {M} ORDER BY s",
    f"SELECT ward, n, n / sum(n) OVER () AS share, rank() OVER (ORDER BY n DESC) FROM "
    f"(SELECT ward, count(*) AS n FROM {E} GROUP BY ward)",
    f"SELECT gap <= 30 AS soon, count(*) FROM (SELECT patient_id, "
    f"date_diff('day', lag(admit_date) OVER "
    f"(PARTITION BY patient_id ORDER BY admit_date), admit_date) AS gap FROM {E}) "
    "GROUP BY soon",
    f"SELECT ward, count(*) FROM (SELECT patient_id, ward, row_number() OVER (PARTITION BY "
    f"patient_id ORDER BY admit_date DESC) AS rn FROM {E} QUALIFY rn = 1) GROUP BY ward",
    f"SELECT sum(x * y), count(*) FROM (SELECT m.person_key, (2025 - p.birth_year)::DOUBLE AS x, "
    f"m.premium AS y FROM {P} p JOIN {M} m ON p.person_key = m.person_key)",
    f"SELECT max(n), median(n), sum(n) FILTER (WHERE n > 1) FROM (SELECT ward, count(*) AS n "
    f"FROM {E} GROUP BY ward)",
    f"SELECT corr(n, m), regr_slope(n, m), regr_count(n, m), covar_samp(n, m), max(n ^ 2 + m ** 2) "
    f"FROM (SELECT ward, count(*) AS n, avg(los) AS m FROM {E} GROUP BY ward)",
    f"SELECT strftime(admit_date, '%G-W%V') AS w, count(*) FROM {E} WHERE "
    "admit_date < DATE '2025-03-01' + INTERVAL '200' DAY GROUP BY w",
    f"SELECT ward, count(*) AS n, -avg(los), sqrt(sum(los)), count(*) % 2 FROM {E} GROUP BY ward "
    "HAVING n > 1",
    f"SELECT a.ward, b.n FROM (SELECT ward, count(*) AS n FROM {E} GROUP BY ward) a LEFT JOIN "
    f"(SELECT ward, count(*) AS n FROM {E} GROUP BY ward) b ON a.ward = b.ward",
    f"SELECT coalesce(ward, 'none') AS w, count(nullif(dx, 'I10')) FROM {E} GROUP BY w",
    f"SELECT count(*) FROM {E} WHERE admit_date + INTERVAL 7 DAY > TIMESTAMP '2025-03-01 00:00:00' "
    "AND admit_date - 3 < DATE '2025-12-01' AND date_trunc('month', admit_date) IS NOT NULL",
    f"SELECT ward, count(*) AS n FROM {E} GROUP BY ward QUALIFY rank() OVER (ORDER BY n DESC) = 1",
    "SELECT chapter, count(*) FROM ref.dx_codes WHERE label LIKE 'label%' GROUP BY chapter",
]  # fmt: skip


@pytest.fixture(scope="module")
def connection():
    with health(people=60).connect() as made:
        yield made


@pytest.mark.parametrize("sql", ADMITTED)
def test_what_analysts_write_is_answered(connection, sql):
    assert run_gates(connection, sql, catalog=CATALOG).columns
