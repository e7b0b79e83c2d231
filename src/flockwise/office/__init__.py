"""What is done beside the main job by those who answer for it: the log, the public register, requests and caps."""
