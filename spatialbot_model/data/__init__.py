"""Episodes and question-answer data as training sees them; no ROS, no device."""
