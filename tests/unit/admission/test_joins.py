# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - queries under test, run by nobody

"""Joins need both owners, one namespace or a link, and the units' own keys."""

from __future__ import annotations

import pytest

from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.typed.columns import everything
from cleanroom.admission.typed.expr import TRUE, Call, Expr
from cleanroom.admission.typed.generate import generate
from cleanroom.admission.typed.relation import Attach, Join, OneRow, Relation
from tests.support.gate_admission import CATALOG, JOIN, admitted, refused
from tests.support.gate_policies import policy, schema
from tests.support.gate_runs import PREFIX


def two(links=frozenset(), **changes) -> Catalog:
    """Two protected datasets of two owners that may be joined, but for one change."""
    options = {
        "namespace": "other",
        "joins_a": ("b.u",),
        "joins_b": ("a.t",),
        "column_a": ("id", "doctor"),
        "rows": "many",
        **changes,
    }
    left = policy(
        "a.t",
        {"id": "key:x", "doctor": "key:d"},
        unit="id",
        namespace="x",
        joins=options["joins_a"],
        column=options["column_a"],
        rows=options["rows"],
    )
    right = policy(
        "b.u",
        {"id": f"key:{options['namespace']}", "doctor": "key:d"},
        unit="id",
        namespace=options["namespace"],
        joins=options["joins_b"],
        column=("id", "doctor"),
        rows=options["rows"],
    )
    types = schema(id="integer", doctor="integer")
    return Catalog(datasets={"a.t": (left, types), "b.u": (right, types)}, links=links)


TOTAL_N = "(SELECT count(*) AS n FROM hospital.patients)"
TOTAL_M = "(SELECT count(*) AS m FROM hospital.encounters)"
TWO = b"SELECT count(*) FROM a.t JOIN b.u ON t.id = u.id"
LINK = frozenset({frozenset({"a.t.id", "b.u.id"})})


def test_keys_of_two_namespaces_meet_only_where_the_contract_links_them():
    error = refused(TWO, two())
    assert error.code == "admission.namespace"
    assert error.grant == "a contract link between a.t.id and b.u.id"
    query = admit(TWO, catalog=two(LINK), parameters={})
    # Linked identifiers stay two kinds of unit, so that each side's history is met.
    assert [unit.namespace for unit in query.stages[0].units] == ["x", "other"]


def test_one_namespace_of_two_owners_is_counted_for_each_owner():
    query = admit(TWO, catalog=two(namespace="x"), parameters={})
    assert [unit.datasets for unit in query.stages[0].units] == [("a.t",), ("b.u",)]


@pytest.mark.parametrize("side", ["joins_a", "joins_b"])
def test_both_owners_must_allow_the_join(side):
    error = refused(TWO, two(LINK, **{side: ()}))
    assert error.code == "admission.join-partner"
    assert "[joins]" in error.grant


def test_a_join_key_must_be_listed_for_comparison():
    error = refused(TWO, two(LINK, column_a=()))
    assert error.code == "admission.compare-column"
    assert error.grant == "[compare] column += id in the policy of a.t"


@pytest.mark.parametrize("kind", ["SEMI", "ANTI", "INNER", "LEFT"])
def test_columns_of_one_side_of_a_join_meet_only_as_their_owner_lists(kind):
    def catalog(*column: str) -> Catalog:
        columns = {"id": "key:x", "seen": "dimension", "born": "dimension"}
        made = policy("a.t", columns, unit="id", namespace="x", column=("id", *column))
        types = schema(id="integer", seen="date", born="date")
        return Catalog(datasets={"a.t": (made, types)}, links=frozenset())

    sql = "SELECT count(*) FROM a.t p INNER JOIN a.t q ON p.id = q.id AND q.seen = q.born"
    sql = sql.replace("INNER", kind)
    error = refused(sql, catalog("seen"))
    assert error.code == "admission.compare-column"
    assert error.column == "a.t.born"
    assert admit(sql.encode(), catalog=catalog("seen", "born"), parameters={}).stages[0].units


def test_a_join_on_a_key_that_is_not_the_units_is_refused_unless_a_unit_has_one_row():
    sql = TWO.replace(b".id", b".doctor")
    assert refused(sql, two(LINK)).code == "admission.join-unit"
    assert admit(sql, catalog=two(LINK, rows="one"), parameters={}).stages[0].units


@pytest.mark.parametrize(
    "partner",
    [
        b"doctor IN (SELECT doctor FROM b.u)",
        b"EXISTS (SELECT 1 FROM b.u WHERE u.doctor = t.doctor)",
    ],
)
def test_a_partner_is_looked_for_by_the_units_own_key_even_where_a_unit_has_one_row(partner):
    error = refused(b"SELECT count(*) FROM a.t WHERE " + partner, two(rows="one"))
    assert error.code == "admission.join-unit"
    assert "EXISTS or IN by a key that is not the unit's own" in error.message


def test_a_dataset_may_meet_itself_by_its_unit():
    sql = (
        b"SELECT count(*) FROM hospital.patients a JOIN hospital.patients b "
        b"ON a.patient_id = b.patient_id"
    )
    [stage] = admit(sql, catalog=CATALOG, parameters={}).stages
    assert [unit.datasets for unit in stage.units] == [("hospital.patients",)]


def test_public_datasets_are_not_chained_behind_protected_rows():
    public = {
        name: (policy(name, {"code": "public"}, joins=("r.a", "r.b", "a.t")), schema(code="string"))
        for name in ("r.a", "r.b")
    }
    protected = policy(
        "a.t",
        {"id": "key:x", "code": "dimension"},
        unit="id",
        namespace="x",
        joins=("r.a", "r.b"),
    )
    types = schema(id="integer", code="string")
    catalog = Catalog(datasets={**public, "a.t": (protected, types)}, links=frozenset())
    chained = "SELECT count(*) FROM a.t JOIN r.a ON t.code = a.code JOIN r.b ON b.code = a.code"
    assert refused(chained, catalog).code == "admission.look-up"
    apart = "SELECT count(*) FROM r.a JOIN a.t ON t.code = a.code JOIN r.b ON b.code = t.code"
    assert admit(apart.encode(), catalog=catalog, parameters={}).stages[0].units


def test_a_public_role_in_a_protected_dataset_opens_no_join():
    columns = {"id": "key:x", "place": "public"}
    types = schema(id="integer", place="string")
    catalog = Catalog(
        datasets={
            name: (
                policy(
                    name,
                    columns,
                    unit="id",
                    namespace="x",
                    joins=("a.t", "b.u"),
                    column=("id", "place"),
                ),
                types,
            )
            for name in ("a.t", "b.u")
        },
        links=frozenset(),
    )
    sql = "SELECT count(*) FROM a.t JOIN b.u ON t.place = u.place"
    assert refused(sql, catalog).code == "admission.join-condition"


def family(unit_key: str, other_key: str) -> Catalog:
    """Two datasets of one owner whose second key may point at another person."""
    first = policy(
        "a.t",
        {"id": "key:x", "referrer": f"key:{other_key}"},
        unit="id",
        namespace="x",
        joins=("a.u",),
        rows="one",
    )
    second = policy(
        "a.u",
        {"id": f"key:{unit_key}"},
        unit="id",
        namespace=unit_key,
        joins=("a.t",),
    )
    return Catalog(
        datasets={
            "a.t": (first, schema(id="integer", referrer="integer")),
            "a.u": (second, schema(id="integer")),
        },
        links=frozenset({frozenset({"a.t.id", "a.u.id"})}),
    )


def test_a_person_and_whoever_referred_them_are_two_units():
    sql = b"SELECT count(*) FROM a.t JOIN a.u ON t.referrer = u.id"
    query = admit(sql, catalog=family("x", "x"), parameters={})
    assert [unit.datasets for unit in query.stages[0].units] == [("a.t",), ("a.u",)]
    same = admit(sql.replace(b"referrer", b"id"), catalog=family("x", "x"), parameters={})
    assert [unit.datasets for unit in same.stages[0].units] == [("a.t", "a.u")]


def test_linked_namespaces_of_one_owner_stay_two_units():
    sql = b"SELECT count(*) FROM a.t JOIN a.u ON t.id = u.id"
    query = admit(sql, catalog=family("y", "z"), parameters={})
    assert [unit.namespace for unit in query.stages[0].units] == ["x", "y"]


WARDS = "SELECT ward, count(*) AS n FROM hospital.encounters GROUP BY ward"
USING = f"(({WARDS}) a JOIN ({WARDS}) b USING (ward))"


def post_of(sql: str, kind: type[Relation]) -> list[Relation]:
    return [node for node in everything(admitted(sql).post.relation) if isinstance(node, kind)]


def test_a_using_column_is_one_column_for_a_name_alone():
    merged = f"{USING} JOIN ({WARDS}) c ON a.n = c.n"
    assert refused(f"SELECT n FROM {merged}").code == "admission.ambiguous-name"
    assert [item.name for item in admitted(f"SELECT ward, a.n FROM {merged}").output] == [
        "ward",
        "n",
    ]


def test_a_name_that_using_merged_on_both_sides_means_neither_alone():
    other = USING.replace(") a ", ") c ").replace(") b ", ") d ")
    sources = f"{USING} JOIN {other} ON a.n = c.n"
    assert refused(f"SELECT ward FROM {sources}").code == "admission.ambiguous-name"
    assert admitted(f"SELECT a.ward, c.ward AS w FROM {sources}").output
    again = sources.replace("ON a.n = c.n", "USING (ward)")
    assert [item.name for item in admitted(f"SELECT ward FROM {again}").output] == ["ward"]


def test_released_rows_may_stand_beside_each_other_without_a_key():
    sql = f"SELECT a.ward, b.n FROM ({WARDS}) a CROSS JOIN ({WARDS}) b"
    [join] = post_of(sql, Join)
    assert join.condition == TRUE
    total = "SELECT count(*) AS n FROM hospital.patients"
    assert post_of(f"SELECT a.ward, b.n FROM ({WARDS}) a CROSS JOIN ({total}) b", Attach)
    assert post_of("SELECT (SELECT count(*) FROM hospital.patients) + 1 AS n", OneRow)


def test_whatever_else_stands_in_on_filters_the_rows_that_the_key_joins():
    sql = f"SELECT count(*) FROM {JOIN} AND p.region = m.region AND m.premium > 10"
    [stage] = admitted(sql).stages
    [join] = [node for node in everything(stage.base) if isinstance(node, Join)]
    assert len(conjuncts_of(join.condition)) == 3
    assert [unit.namespace for unit in stage.units] == ["hospital_pid", "pk"]


def conjuncts_of(condition: Expr) -> list[Expr]:
    if isinstance(condition, Call) and condition.function == "and":
        return [part for side in condition.args for part in conjuncts_of(side)]
    return [condition]


def listed(lineage, *partners):
    return (
        policy(lineage, {"code": "public"}, joins=partners), schema(code="string")
    )  # fmt: skip


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM a.t JOIN b.u ON t.code = u.code",
        "SELECT count(*) FROM (SELECT code FROM a.t UNION ALL SELECT code FROM b.u) x",
        "SELECT count(*) FROM a.t WHERE code IN (SELECT code FROM b.u)",
    ],
)
def test_public_datasets_meet_only_where_both_owners_list_them(sql):
    apart = Catalog(datasets={"a.t": listed("a.t", "b.u"), "b.u": listed("b.u")}, links=frozenset())
    assert refused(sql, apart).grant == "[joins] a.t in the policy of b.u"
    together = {**apart.datasets, "b.u": listed("b.u", "a.t")}
    assert admit(sql.encode(), catalog=Catalog(datasets=together, links=frozenset()), parameters={})


def test_every_two_inputs_of_a_union_are_partners():
    tables = {name: listed(name, "a.t", "b.u", "c.v") for name in ("a.t", "b.u", "c.v")}
    three = " UNION ALL ".join(f"SELECT code FROM {name}" for name in tables)
    sql = f"SELECT count(*) FROM ({three}) x"
    assert admit(sql.encode(), catalog=Catalog(datasets=tables, links=frozenset()), parameters={})
    tables["c.v"] = listed("c.v", "a.t")
    error = refused(sql, Catalog(datasets=tables, links=frozenset()))
    assert error.grant == "[joins] b.u in the policy of c.v"


U, SHOWN, C = "publisher.users", "publisher.impressions", "advertiser.conversions"


@pytest.mark.parametrize(
    ("comma", "join"),
    [
        (f"{U} u, {SHOWN} i WHERE u.user_id = i.user_id AND i.device = 'tv'",
         f"{U} u JOIN {SHOWN} i ON u.user_id = i.user_id WHERE i.device = 'tv'"),
        (f"{U} u, {SHOWN} i, {C} c WHERE c.user_id = i.user_id AND u.user_id = i.user_id",
         f"{U} u JOIN {SHOWN} i ON u.user_id = i.user_id JOIN {C} c ON c.user_id = i.user_id"),
        (f"{U} u CROSS JOIN {SHOWN} i WHERE i.user_id = u.user_id AND u.state = i.device",
         f"{U} u JOIN {SHOWN} i ON i.user_id = u.user_id AND u.state = i.device"),
        ("hospital.encounters e, ref.dx_codes d WHERE e.dx = d.dx",
         "hospital.encounters e JOIN ref.dx_codes d ON e.dx = d.dx"),
    ],
)  # fmt: skip
def test_a_comma_joins_by_what_where_equates(comma, join):
    texts = [generate(admitted(f"SELECT count(*) AS n FROM {sources}").stages[0], prefix=PREFIX)
             for sources in (comma, join)]  # fmt: skip
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "where",
    [
        "",
        "WHERE u.user_id = i.user_id OR u.state = 'CA'",
        "WHERE NOT u.user_id = i.user_id",
        "WHERE u.user_id <> i.user_id",
        "WHERE u.user_id = u.user_id",
        "WHERE i.device = 'tv'",
        "WHERE upper(u.state) = i.device",
    ],
)
def test_a_comma_without_an_equality_joins_nothing(where):
    error = refused(f"SELECT count(*) FROM {U} u, {SHOWN} i {where}")
    assert error.code == "admission.cross-join"
    assert "JOIN" in error.hint


def test_a_comma_below_another_join_is_not_joined_by_where():
    # WHERE would drop rows that an outer join around it keeps.
    inner = f"({SHOWN} i CROSS JOIN {C} c)"
    for kind in ("JOIN", "LEFT JOIN"):
        sql = f"SELECT count(*) FROM {U} u {kind} {inner} ON u.user_id = i.user_id "
        assert refused(f"{sql} WHERE i.user_id = c.user_id").code == "admission.cross-join"


def test_a_comma_is_a_join_like_any_other():
    sql = f"SELECT count(*) FROM {U} u, {SHOWN} i WHERE u.state = i.device"
    assert refused(sql).code == "admission.join-condition"
    by_state = f"SELECT state, count(*) AS n FROM {U} GROUP BY state"
    total = f"SELECT count(*) AS n FROM {SHOWN}"
    # Released rows, and a single one, meet everything; WHERE filters afterwards.
    assert len(admitted(f"SELECT a.state FROM ({by_state}) a, ({by_state}) b "
                        "WHERE a.state = b.state").stages) == 1  # fmt: skip
    assert len(admitted(f"SELECT a.state FROM ({by_state}) a, ({total}) b "
                        "WHERE a.n = b.n").stages) == 2  # fmt: skip


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM hospital.patients x JOIN hospital.encounters x USING (patient_id)",
        f"SELECT n, m FROM {TOTAL_N} x CROSS JOIN {TOTAL_M} x",
        f"SELECT n, m FROM {TOTAL_N} x, {TOTAL_M} x",
    ],
)
def test_two_sources_of_one_name_are_refused_where_nothing_refers_to_either(sql):
    error = refused(sql)
    assert error.code == "admission.ambiguous-name"
    assert "two sources called x" in str(error)
    first, _, rest = sql.rpartition(" x")
    assert admitted(f"{first} y{rest}")
