locals {
  chosen = 1
}

resource "aws_iam_user" "person" {
  count = 2
  name  = "person-${count.index}"
}

resource "aws_iam_user_login_profile" "first" {
  user = aws_iam_user.person[0].name
}

resource "aws_iam_access_key" "chosen" {
  user = aws_iam_user.person[local.chosen].id
}
