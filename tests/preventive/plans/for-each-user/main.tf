resource "aws_iam_user" "person" {
  for_each = toset(["alice", "bob"])
  name     = each.key
}

resource "aws_iam_user_login_profile" "alice" {
  user = aws_iam_user.person["alice"].id
}

resource "aws_iam_access_key" "person" {
  for_each = aws_iam_user.person
  user     = each.value.id
}
