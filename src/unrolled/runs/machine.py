"""On what a run is trained: what its last bits depend on besides its options. Knows torch, trains nothing."""

from __future__ import annotations

import platform
from importlib.metadata import version

import torch
from pydantic import BaseModel, ConfigDict

from unrolled.engine import level, library, wish


class Machine(BaseModel):
    """What must be the same for a resume to be exact to the last bit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unrolled: str
    torch: str
    threads: int
    processor: str
    engine: str
    system: str

    @classmethod
    def here(cls) -> Machine:
        """That of the running process."""
        return cls(
            unrolled=version("unrolled"),
            torch=torch.__version__,
            threads=torch.get_num_threads(),
            processor=torch.backends.cpu.get_cpu_capability(),
            engine=wish() if library() is None or wish() == "reference" else f"native, {level()}",
            system=f"{platform.system()} {platform.machine()}",
        )

    def differences(self, now: Machine) -> list[str]:
        """In which points another machine differs: `"threads: 2 then, 1 now"`."""
        then, other = self.model_dump(), now.model_dump()
        return [f"{name}: {then[name]} then, {other[name]} now" for name in then if then[name] != other[name]]
