"""`bot schema`: JSON Schemas, with which editors complete and check what authors write."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from bot.authoring.schema import SUFFIX, schemas, vscode_settings
from bot.config import load_database_settings
from bot.runtime.project import content_dir, project_actions


def schema(
    *,
    output: Annotated[Path, Parameter(help="A folder, made if need be")] = Path("schemas"),
    settings: Annotated[Literal["vscode"] | None, Parameter(help="Print an editor's settings; writes nothing")] = None,
) -> None:
    """Write JSON Schemas, with which editors complete and check what you write.

    Run it again when you have added actions, roles, intents or templates: their names are in the schemas.
    """
    if settings == "vscode":
        sys.stdout.write(vscode_settings(output.as_posix().removeprefix("./")))
        return
    project = load_database_settings()
    root = content_dir(project)
    found = schemas(root, project_actions(project, root))
    output.mkdir(parents=True, exist_ok=True)
    for kind, document in found.items():
        text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
        (output / f"{kind}{SUFFIX}").write_text(text, encoding="utf-8", newline="\n")
    sys.stdout.write(f"{len(found)} schemas written: {output}\n")
    if not output.is_absolute():
        modeline = f"# yaml-language-server: $schema=../../{output.as_posix()}/flow{SUFFIX}"
        sys.stdout.write(f"For VS Code see bot schema --settings vscode; elsewhere begin a flow with\n{modeline}\n")
