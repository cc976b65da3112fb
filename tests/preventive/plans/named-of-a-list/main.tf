resource "aws_iam_user" "person" {
  count = 2
  name  = "person-${count.index}"
}

resource "aws_iam_user_login_profile" "first" {
  user = aws_iam_user.person[0].id
}

resource "aws_iam_access_key" "second" {
  user = aws_iam_user.person[1].id
}
