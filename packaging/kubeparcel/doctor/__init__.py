"""Examines apt and yum repositories, whoever made them, as their clients see them."""
