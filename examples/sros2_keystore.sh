#!/usr/bin/env bash
# DDS security for the suite on a ROS 2 desktop: an authority, one identity, its permissions.
# Usage: examples/sros2_keystore.sh KEYSTORE      (docs/security.md says what to export then)
set -euo pipefail

keystore=${1:?usage: $0 KEYSTORE (a folder that does not exist yet)}
enclave=/spatialbot

if ! ros2 security --help >/dev/null 2>&1; then
    echo "error: 'ros2 security' is missing; source a ROS 2 desktop and install sros2" >&2
    exit 1
fi
if [ -e "$keystore" ]; then
    echo "error: $keystore exists; its keys are not replaced. Choose another folder" >&2
    exit 1
fi

umask 077 # keys are for their owner only
ros2 security create_keystore "$keystore"
ros2 security create_enclave "$keystore" "$enclave"
echo "The authority's private key is $keystore/private/ca.key.pem: keep it off the robot."
echo "Export the variables that docs/security.md lists, with ROS_SECURITY_KEYSTORE=$keystore"
