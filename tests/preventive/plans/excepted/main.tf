resource "aws_iam_user" "alice" {
  name = "alice"

  tags = {
    "setup-keys:exception-owner"   = "platform@example.com"
    "setup-keys:exception-expires" = "2026-03-02"
  }
}

resource "aws_iam_user_login_profile" "alice" {
  user = aws_iam_user.alice.name
}

resource "aws_iam_access_key" "alice" {
  user = aws_iam_user.alice.id
}
