# SPDX-License-Identifier: Apache-2.0
import io
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.attestation.platforms.nvidia_gpu.xml_canonical import (
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_XML_BYTES,
    canonical,
    parts_of,
    read_octets,
)
from cleanroom.errors import MalformedError

NAMES = st.sampled_from(["a", "b", "longer", "with-hyphen", "_x"])
TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cc", "Cs"]),
    max_size=8,
) | st.sampled_from(["&", "<", ">", '"', "'", "\n", "\t", "\r", "]]>", " "])


def trees():
    leaf = st.tuples(NAMES, st.dictionaries(NAMES, TEXT, max_size=3), st.just([]), TEXT)
    return st.recursive(
        leaf,
        lambda inner: st.tuples(
            NAMES, st.dictionaries(NAMES, TEXT, max_size=3), st.lists(inner, max_size=3), TEXT
        ),
        max_leaves=8,
    )


def build(tree):
    name, attributes, children, text = tree
    element = ET.Element(name, dict(attributes))
    element.text = text
    element.extend(build(child) for child in children)
    return element


@given(trees())
def test_without_namespaces_it_agrees_with_the_standard_library(tree):
    document = ET.tostring(build(tree), encoding="utf-8")
    try:
        expected = ET.canonicalize(io.StringIO(document.decode()).read())
    except ET.ParseError:
        with pytest.raises(MalformedError):
            canonical(document)
        return
    assert canonical(document).decode() == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        # C14N 1.1 section 3.3: empty elements, attribute order, superfluous declarations.
        ("<a/>", "<a></a>"),
        ("<a  b = 'x'  ></a  >", '<a b="x"></a>'),
        ("<a c='1' b='2'/>", '<a b="2" c="1"></a>'),
        (
            "<a xmlns:z='u:1' xmlns:y='u:2' z:q='1' y:q='2' q='3'/>",
            '<a xmlns:y="u:2" xmlns:z="u:1" q="3" z:q="1" y:q="2"></a>',
        ),
        ("<a xmlns='u'><b xmlns='u'/></a>", '<a xmlns="u"><b></b></a>'),
        ("<a xmlns='u'><b xmlns=''/></a>", '<a xmlns="u"><b xmlns=""></b></a>'),
        ("<a xmlns=''><b xmlns=''/></a>", "<a><b></b></a>"),
        (
            "<p:a xmlns:p='u'><p:a xmlns:p='v'/></p:a>",
            '<p:a xmlns:p="u"><p:a xmlns:p="v"></p:a></p:a>',
        ),
        ("<a>1 &lt; 2 &amp; 3 &gt; 2 &#xD;</a>", "<a>1 &lt; 2 &amp; 3 &gt; 2 &#xD;</a>"),
        ("<a b='&#9;&#10;&#13;&quot;&lt;>&amp;'/>", '<a b="&#x9;&#xA;&#xD;&quot;&lt;>&amp;"></a>'),
        ("<a>\r\n</a>", "<a>\n</a>"),
        ("<?xml version='1.0' encoding='UTF-8'?>\n<a/>\n\n", "<a></a>"),
    ],
)
def test_documents_have_the_form_of_the_standard(document, expected):
    assert canonical(document.encode()).decode() == expected


def test_an_element_alone_carries_the_namespaces_around_it():
    document = b"<a xmlns='u' xmlns:p='v'><b><p:c p:d='1'><b/></p:c></b></a>"
    (inner,) = parts_of(document, frozenset({("v", "c")}))
    assert inner.canonical() == b'<p:c xmlns="u" xmlns:p="v" p:d="1"><b></b></p:c>'
    assert (inner.name, inner.depth) == (("v", "c"), 2)


def test_what_is_left_out_leaves_the_text_around_it():
    (part,) = parts_of(b"<a>1<b c='&amp;'>2</b>3</a>", frozenset({("", "b")}))
    assert (part.around(), part.depth) == (b"<a>13</a>", 1)
    assert part.canonical() == b'<b c="&amp;">2</b>'


def test_parts_come_in_the_order_of_the_document_and_know_what_is_within():
    document = b"<a><b><c><b/></c></b><c/></a>"
    parts = parts_of(document, frozenset({("", "b"), ("", "c")}))
    assert [(part.name[1], part.depth) for part in parts] == [
        ("b", 1),
        ("c", 2),
        ("b", 3),
        ("c", 1),
    ]
    outer, within, _, beside = parts
    assert outer.holds(within)
    assert not outer.holds(beside)
    assert not within.holds(outer)
    assert parts_of(document, frozenset({("u", "b")})) == ()


@given(trees())
def test_the_second_reader_sees_what_was_built(tree):
    document = ET.tostring(build(tree), encoding="utf-8")
    try:
        octets = canonical(document)
    except MalformedError:
        return
    seen = ET.tostring(read_octets(octets), encoding="unicode")
    assert ET.canonicalize(seen) == ET.canonicalize(document.decode())


def test_a_namespace_that_is_xmls_own_is_refused_by_the_second_reader():
    octets = canonical(b"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>")
    with pytest.raises(MalformedError, match="^xml: "):
        read_octets(octets)


@given(trees())
def test_canonical_octets_are_a_fixed_point(tree):
    document = ET.tostring(build(tree), encoding="utf-8")
    try:
        first = canonical(document)
    except MalformedError:
        return
    assert canonical(first) == first


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<a>",
        b"<a/><b/>",
        b"<a/>x",
        b"x<a/>",
        b"<a b='1' b='2'/>",
        b"<!DOCTYPE a><a/>",
        b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        b"<!DOCTYPE a SYSTEM 'file:///etc/hostname'><a/>",
        b"<a>&x;</a>",
        b"<?target?><a/>",
        b"<a><!-- c --></a>",
        b"<!-- c --><a/>",
        b"<a><![CDATA[x]]></a>",
        b"<?xml version='1.1'?><a/>",
        b"<?xml version='1.0' encoding='latin-1'?><a/>",
        b"<a>\xff</a>",
        "<a/>".encode("utf-16"),
        "<a/>".encode("utf-16-le"),
        b"\xef\xbb\xbf<a/>",
        b"<a xml:lang='de'/>",
        b"<xml:a/>",
        b"<p:a/>",
        b"<:a/>",
        b"<a p:b='1'/>",
        b"<a xmlns:p='u' p:='1'/>",
        b"<a xmlns:p=''/>",
        b"<a xmlns:='u'/>",
        b"<a xmlnsx='u'/>",
        b"<a xmlns:xml='u'/>",
        b"<a xmlns:xmlns='u'/>",
        b"<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
        b"<a xmlns:p='u'><p:q:b/></a>",
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>",
        b"<a " + b" ".join(b"b%d='1'" % number for number in range(MAX_ATTRIBUTES + 1)) + b"/>",
        b"<a>" + b" " * MAX_XML_BYTES + b"</a>",
    ],
)
def test_what_two_readers_could_see_differently_is_refused(document):
    with pytest.raises(MalformedError, match="^xml: "):
        canonical(document)


def test_a_prefix_stands_for_its_namespace():
    document = b"<a xmlns='u' xmlns:p='v' c='1' p:c='2'><p:b/></a>"
    root = read_octets(canonical(document))
    assert (root.tag, root.attrib) == ("{u}a", {"c": "1", "{v}c": "2"})
    assert [part.name for part in parts_of(document, frozenset({("u", "a"), ("v", "b")}))] == [
        ("u", "a"),
        ("v", "b"),
    ]
