resource "aws_iam_user_login_profile" "alice" {
  user = "alice"
}

resource "aws_iam_access_key" "alice" {
  user = "Alice"
}
