"""Channels translated to and from the words of core; decides nothing."""
