"""Where a local Label Studio is and how to enter it: the file that other commands read."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from zhibiao.errors import ServerError

__all__ = ["Connection"]


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a server is and how to enter it; ``pid`` is None when it was stopped."""

    url: str
    token: str
    username: str
    password: str
    pid: int | None = None

    @classmethod
    def read(cls, data: str | Path) -> Connection | None:
        """The connection of a data folder, None when no server was ever started on it.

        Raises:
            ServerError: the file is there but broken or unreadable; names it.
        """
        path = Path(data) / "connection.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            pid = found.get("pid")
            return cls(
                url=str(found["url"]),
                token=str(found["token"]),
                username=str(found["username"]),
                password=str(found["password"]),
                pid=pid if pid is None else int(pid),
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ServerError(
                f"{path}：读不出连接信息（{type(error).__name__}）；"
                "删去这个文件再启动，会重新生成密码和 token，标注不受影响"
            ) from error

    def write(self, data: Path) -> None:
        """Replace the folder's connection.json; only its owner may read it (mode 600)."""
        handle, name = tempfile.mkstemp(prefix=".connection.", dir=data)  # mode 600
        with open(handle, "w", encoding="utf-8") as stream:
            json.dump(asdict(self), stream, ensure_ascii=False, indent=2)
        os.replace(name, data / "connection.json")
