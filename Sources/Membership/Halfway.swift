// halfway
