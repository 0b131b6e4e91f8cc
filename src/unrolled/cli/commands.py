"""All commands of `unrolled`, gathered: importing this makes them known to the app."""

from unrolled.cli import exporting as exporting
from unrolled.cli import flowing as flowing
from unrolled.cli import looking as looking
from unrolled.cli import training as training
from unrolled.cli import using as using
from unrolled.cli.app import app as app
