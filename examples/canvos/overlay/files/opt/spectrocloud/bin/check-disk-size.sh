#!/bin/sh
# Two-node clusters ask this whether the disk is large enough.
[ "$(df --output=avail / | tail -n1)" -gt 10485760 ]
