"""Teleoperation: what a person's hand device says, and the actions that come of it. No rclpy."""
