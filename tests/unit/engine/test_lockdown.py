# SPDX-License-Identifier: Apache-2.0
"""Each setting of the page by itself: several of them cover for each other."""

import duckdb
import pytest

from cleanroom.engine.lockdown import expose_and_lock, open_engine, sealed_paths
from cleanroom.engine.sealed_files import SealedFiles
from tests.support import sealed_tables
from tests.support.sealed_tables import encounters, readers, view

SETTINGS = {
    "python_enable_replacements": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "enable_external_access": False,
    "lock_configuration": True,
    "temp_directory": "",
    "async_threads": 0,
    "threads": 2,
    "memory_limit": "256.0 MiB",
    "TimeZone": "UTC",
    "allowed_directories": [],
    "allowed_paths": ["sealed://0/0"],
    "parquet_prefetch_column_gap": 524_288,
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("parts")
    sealed = sealed_tables.seal(encounters(1000), destination=directory)
    with readers(sealed, directory) as parts, open_engine(memory_mib=256, threads=2) as opened:
        views = [view(parts)]
        expose_and_lock(opened, views, SealedFiles(sealed_paths(views)))
        yield opened


@pytest.mark.parametrize(("setting", "value"), SETTINGS.items())
def test_a_locked_engine_has_the_setting(engine, setting, value):
    found = engine.execute(f"SELECT current_setting('{setting}')").fetchone()[0]
    assert found == value


def test_the_file_system_of_the_machine_is_off_and_not_only_forbidden(engine):
    """DuckDB does not report this setting; its own words tell which lock answered."""
    with pytest.raises(duckdb.PermissionException, match="LocalFileSystem has been disabled"):
        engine.execute("FROM read_text('/etc/hostname')").fetchall()


def test_a_quote_in_a_name_stays_in_the_name(tmp_path):
    sealed = sealed_tables.seal(encounters(10), destination=tmp_path)
    with readers(sealed, tmp_path) as parts, open_engine(memory_mib=256, threads=1) as opened:
        odd = sealed_tables.View(schema='a"b', name='c"d', columns=("ward",), parts=parts)
        expose_and_lock(opened, [odd], SealedFiles(sealed_paths([odd])))
        assert opened.execute('SELECT count(ward) FROM "a""b"."c""d"').fetchone() == (10,)
