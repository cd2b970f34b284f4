"""`python -m spatialbot_ros.cli`: the command without the installed script."""

from spatialbot_ros.cli import main

main()
