"""tests/layers: every kind of include that may not be is found, with its place."""

import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

GOOD = {
    "w3c/ids.h": "#include <stddef.h>\n",
    "exporter/span.h": '#include "w3c/ids.h"\n',
    "exporter/otlp/sender.c": '#include "exporter/span.h"\n\n#include <curl/curl.h>\n',
    "proxy/side/side.h": '#include "w3c/ids.h"\n',
    "proxy/message/envelope.h": "#include <stdint.h>\n",
    "proxy/message/skim.h": '#include "proxy/message/envelope.h"\n',
    "proxy/endpoint/child.c": "#include <event2/event.h>\n",
    "proxy/trace/tracer.c": '#include "proxy/message/envelope.h"\n',
    "proxy/main.c": '#include "proxy/side/side.h"\n#include <event2/event.h>\n',
    "config/config.h": "",
}

BAD = {
    "w3c/bad.c": '#include "exporter/span.h"',
    "config/bad.c": '#include "w3c/ids.h"',
    "config/upward.c": '#include "proxy/side/side.h"',
    "exporter/bad.c": '#include "config/config.h"',
    "exporter/second.c": "#include <curl/curl.h>",
    "proxy/session.c": "#include <zlib.h>",
    "proxy/side/bad.c": '#include "proxy/message/envelope.h"',
    "proxy/message/bad.c": "#include <event2/event.h>",
    "proxy/endpoint/bad.c": '#include "proxy/side/side.h"',
    "proxy/trace/bad.c": '#include "proxy/message/skim.h"',
    "proxy/side/near.c": '#include "codec.h"',
    "proxy/side/dots.c": '#include "proxy/message/../codec/codec.h"',
    "proxy/side/gone.c": ' # include "proxy/side/gone.h"',
    "tests/bench/load.c": "#include <check.h>",
}


def layers(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "tests").mkdir(exist_ok=True)
    shutil.copy(ROOT / "tests/layers", root / "tests/layers")
    return subprocess.run([root / "tests/layers"], capture_output=True, text=True, check=False)


def test_good_includes_pass(tmp_path):
    result = layers(tmp_path, GOOD)
    assert result.returncode == 0, result.stdout


def test_each_bad_include_is_found(tmp_path):
    result = layers(tmp_path, {**GOOD, **BAD})
    assert result.returncode == 1
    assert sorted(line.split(":")[0] for line in result.stdout.splitlines()) == sorted(BAD)
    assert all(line.split(":")[1] == "1" for line in result.stdout.splitlines())


def test_circle_is_found(tmp_path):
    circle = {
        "proxy/a.c": '#include "proxy/b.h"\n',
        "proxy/b.h": "",
        "proxy/b.c": '#include "proxy/b_tables.h"\n#include "w3c/ids.h"\n',
        "proxy/b_tables.h": '#include "proxy/b.h"\n#include "proxy/c.h"\n',
        "proxy/c.h": "",
    }
    assert layers(tmp_path, {**GOOD, **circle}).returncode == 0
    circle["proxy/c.c"] = '#include "proxy/c.h"\n#include "proxy/b.h"\n'
    result = layers(tmp_path, {**GOOD, **circle})
    assert result.returncode == 1
    assert result.stdout in (
        "a circle: proxy/b -> proxy/c -> proxy/b\n", "a circle: proxy/c -> proxy/b -> proxy/c\n")
