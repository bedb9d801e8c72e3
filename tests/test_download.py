"""Downloads, from a server on this machine: only when asked, whole and right or not kept."""

import contextlib
import functools
import hashlib
import http.server
import socket
import sys
import threading

import pytest
from dataset_files import BATCHES, binary_batch, cifar_batches, write_archive, write_mnist

from fastnn.datasets import cifar10, download, mnist

pytest.importorskip("pooch")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; a file named as truncated is announced longer than it is."""

    truncated = ""

    def log_message(self, *_):
        pass

    def end_headers(self):
        if self.truncated and self.path.endswith(self.truncated):
            self._headers_buffer = [
                line if not line.lower().startswith(b"content-length") else b"Content-Length: 999999\r\n"
                for line in self._headers_buffer
            ]
        super().end_headers()


@contextlib.contextmanager
def serving(folder):
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A served folder with a small MNIST, which is the source of `mnist`; no other folder has one."""
    folder = tmp_path / "site"
    write_mnist(folder, packed=True)
    for name in ("FASTNN_DATA", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("fastnn.datasets.folders.SYSTEM_DATA", tmp_path / "no-system")
    monkeypatch.setattr(Handler, "truncated", "")
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}
    with serving(folder) as address:
        monkeypatch.setitem(download.SOURCES, "mnist", download.Source(address, hashes))
        yield folder


def cached(tmp_path):
    return {file.name for file in (tmp_path / "cache").rglob("*") if file.is_file()}


def test_nothing_is_fetched_unless_asked(site, tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="download=True"):
        mnist()
    assert cached(tmp_path) == set()
    assert capsys.readouterr().err == ""
    assert mnist(download=True)[0][0].shape == (20, 1, 28, 28)
    told = [f"downloading {download.SOURCES['mnist'].address}{name}" for name in download.SOURCES["mnist"].files]
    assert capsys.readouterr().err.splitlines() == told
    assert cached(tmp_path) == {file.name for file in site.iterdir()}


def test_files_that_are_there_are_not_fetched_again(site):
    mnist(download=True)
    for file in site.iterdir():
        file.unlink()
    assert mnist(download=True)[1][0].shape == (10, 1, 28, 28)
    assert mnist()[1][0].shape == (10, 1, 28, 28)


def test_an_archive_is_read_where_it_was_put(site, tmp_path, monkeypatch):
    batches = cifar_batches()
    path = site / "cifar-10-binary.tar.gz"
    write_archive(path, {f"cifar-10-batches-bin/{name}.bin": binary_batch(*batches[name]) for name in BATCHES})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    source = download.Source(download.SOURCES["mnist"].address, {path.name: digest})
    monkeypatch.setitem(download.SOURCES, "cifar10", source)
    assert cifar10(download=True)[0][0].shape == (15, 3, 32, 32)
    assert cached(tmp_path) == {path.name}


LABELS = "train-labels-idx1-ubyte.gz"  # the last in order


def test_a_file_with_another_hash_is_not_kept(site, tmp_path):
    (site / LABELS).write_bytes(b"something else")
    with pytest.raises(ValueError, match=f"{LABELS} is not the file that was expected"):
        mnist(download=True)
    assert LABELS not in cached(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"lacks {LABELS[:-3]}"):
        mnist()


def test_a_truncated_file_is_not_kept(site, tmp_path, monkeypatch):
    monkeypatch.setattr(Handler, "truncated", LABELS)
    with pytest.raises((OSError, ValueError), match=LABELS):
        mnist(download=True)
    assert len(cached(tmp_path)) == 3


def test_a_missing_file_is_named(site):
    (site / LABELS).unlink()
    with pytest.raises(OSError, match=f"{LABELS} could not be downloaded to .*404"):
        mnist(download=True)


def test_no_network(site, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/"
        source = download.Source(address, download.SOURCES["mnist"].files)
        monkeypatch.setitem(download.SOURCES, "mnist", source)
        with pytest.raises(OSError, match="could not be downloaded"):
            mnist(download=True)


def test_without_pooch_the_message_says_what_to_install(site, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'mnist: .*pip install "fastnn-numba\[download\]"'):
        mnist(download=True)


def test_a_cache_that_cannot_be_written_to(site, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="could not be downloaded to"):
        mnist(download=True)


def test_sources_are_complete():
    for name, source in download.SOURCES.items():
        assert source.address.startswith("https://") and source.address.endswith("/"), name
        assert all(len(bytes.fromhex(digest)) == 32 for digest in source.files.values()), name
