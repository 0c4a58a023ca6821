"""Tasks taken together: what a file of them wants, what came from elsewhere, what will fire."""
